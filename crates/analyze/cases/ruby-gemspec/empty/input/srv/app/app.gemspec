# -*- encoding: utf-8 -*-
# stub: app 1.0 ruby lib

Gem::Specification.new do |s|
  s.name = "app".freeze
  s.version = "1.0"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.description = "Text\n  s.name = \"inner\"".freeze
  s.installed_by_version = "3.3.7" if s.respond_to? :installed_by_version
end
