// Deprecated: example
module example.org/app // the app

go 1.21

toolchain go1.21.3

require golang.org/x/net v0.5.6

require (
	github.com/BurntSushi/toml v1.0.0 // indirect
	golang.org/x/crypto v0.14.0
	"example.org/quoted" v2.0.0+incompatible
	example.org/local v0.4.0 // a remark
	example.org/excluded v1.0.0
	example.org/other v1.0.0
)

replace (
	golang.org/x/crypto v0.14.0 => github.com/fork/crypto v0.15.0-fork.1
	golang.org/x/crypto => ./never
	example.org/local => ./third_party/local
	example.org/other v9.9.9 => example.org/not-used v1.0.0
)

exclude example.org/excluded v1.0.0

retract [v1.0.0, v1.9.9]

tool golang.org/x/tools/cmd/stringer
