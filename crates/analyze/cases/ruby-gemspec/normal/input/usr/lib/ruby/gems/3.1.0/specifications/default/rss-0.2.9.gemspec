# -*- encoding: utf-8 -*-
# stub: rss 0.2.9 ruby lib

Gem::Specification.new do |s|
  s.name = "rss".freeze
  s.version = "0.2.9"
  s.licenses = ["Ruby".freeze, "BSD-2-Clause".freeze]
  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.description = "Text\n  s.name = \"inner\"".freeze
  s.installed_by_version = "3.3.7" if s.respond_to? :installed_by_version
end
