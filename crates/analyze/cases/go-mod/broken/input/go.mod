module x
require golang.org/x/net
require a b c
nonsense here
replace a b
require ok.example/m v1.0.0
require (
