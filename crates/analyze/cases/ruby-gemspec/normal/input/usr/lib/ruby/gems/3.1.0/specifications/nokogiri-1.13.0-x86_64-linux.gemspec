# -*- encoding: utf-8 -*-
# stub: nokogiri 1.13.0 ruby lib

Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.13.0"
  s.platform = "x86_64-linux".freeze
  s.license = %q<MIT>
  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.description = "Text\n  s.name = \"inner\"".freeze
  s.installed_by_version = "3.3.7" if s.respond_to? :installed_by_version
end
