Gem::Specification.new do |s|
  s.name = "#{`touch /tmp/owned`}"
  s.version = File.read("/etc/passwd")
  s.licenses = ["MIT", *evil]
end
