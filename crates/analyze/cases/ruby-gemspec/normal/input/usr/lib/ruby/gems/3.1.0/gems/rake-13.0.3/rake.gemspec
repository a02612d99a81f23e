Gem::Specification.new do |s|
 s.name = "source"
 s.version = "1"
end
