// A registry with the referrers API (OCI distribution 1.1) for tests, over TLS with HTTP Basic, on blobs in a
// folder and manifests in memory: `registry ADDRESS CERTIFICATE KEY FOLDER`. User `lab`, password `pw`. What a
// second implementation is worth: it answers by its own reading of the specification, not by ours.
package main

import (
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: registry ADDRESS CERTIFICATE KEY FOLDER")
	}
	inner := registry.New(
		registry.WithReferrersSupport(true),
		registry.WithBlobHandler(registry.NewDiskBlobHandler(os.Args[4])),
		registry.Logger(log.New(os.Stderr, "", 0)),
	)
	outer := func(answer http.ResponseWriter, request *http.Request) {
		user, password, _ := request.BasicAuth()
		if user != "lab" || password != "pw" {
			answer.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
			answer.WriteHeader(http.StatusUnauthorized)
			return
		}
		inner.ServeHTTP(answer, request)
	}
	log.Fatal(http.ListenAndServeTLS(os.Args[1], os.Args[2], os.Args[3], http.HandlerFunc(outer)))
}
