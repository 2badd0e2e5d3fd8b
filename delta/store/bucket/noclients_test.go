//go:build !bucket

package bucket

import (
	"context"
	"strings"
	"testing"

	"kenserve/delta/store"
)

// addCloudAddresses adds nothing: this build has no cloud client.
func addCloudAddresses(*testing.T, map[string]string) {}

// TestClientMissing: the address of a cloud bucket gives an error that names the
// build and the image that have its client, and that shows no secret.
func TestClientMissing(t *testing.T) {
	for _, address := range []string{"s3://user:secret@models/tasks?region=secret", "gs://models", "azblob://models"} {
		_, err := Open(context.Background(), address, store.NewCache(t.TempDir(), 1<<20))
		if err == nil {
			t.Fatalf("%s opened without a client", address)
		}
		for _, want := range []string{"go build -tags bucket ./cmd/serve", "docker build"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not name %q", address, err, want)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error has the query or the password: %q", address, err)
		}
	}
}
