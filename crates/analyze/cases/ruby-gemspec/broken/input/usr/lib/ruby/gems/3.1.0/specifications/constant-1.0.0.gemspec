Gem::Specification.new do |spec|
  spec.name = "constant"
  spec.version = Constant::VERSION
end
