// Prints < = > for each line "A<TAB>B", or ? where a version is no module version.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/semver"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		a, b, _ := strings.Cut(lines.Text(), "\t")
		if semver.IsValid(a) && semver.IsValid(b) {
			fmt.Println(string("<=>"[semver.Compare(a, b)+1]))
		} else {
			fmt.Println("?")
		}
	}
}
