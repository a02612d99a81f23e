Gem::Specification.new do |s|
  s.authors = ["ÿ"]
  s.name = "byÿtes"
  s.version = "1.0"
end
