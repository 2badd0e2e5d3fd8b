//go:build !bucket

package bucket

import (
	"fmt"

	"gocloud.dev/blob"
)

// clientMissing returns an error with the remedy if a scheme needs a cloud
// client, because this build has none.
func clientMissing(scheme string) error {
	switch scheme {
	case "s3", "gs", "azblob":
		return fmt.Errorf("this program was built without the cloud clients that %s:// needs: build it with `CGO_ENABLED=0 go build -tags bucket ./cmd/serve`, or use the container image, which has them (`docker build -t kenserve .`)", scheme)
	}
	return nil
}

// listedETag returns false: listings of folders and memory have no ETags.
func listedETag(*blob.ListObject) (etag string, ok bool) { return "", false }
