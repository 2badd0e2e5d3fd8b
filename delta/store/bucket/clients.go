//go:build bucket

package bucket

import (
	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	// Each client registers its scheme: s3, gs and azblob.
	_ "gocloud.dev/blob/azureblob"
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"
)

// clientMissing returns nil: this build has every client.
func clientMissing(string) error { return nil }

// listedETag returns the ETag of an object in a listing, which each provider
// keeps in a type of its own. Listings of folders and memory have none.
func listedETag(o *blob.ListObject) (etag string, ok bool) {
	var s3 types.Object
	var gcs storage.ObjectAttrs
	var azure container.BlobItem
	switch {
	case o.As(&s3) && s3.ETag != nil:
		return *s3.ETag, true
	case o.As(&gcs):
		return gcs.Etag, true
	case o.As(&azure) && azure.Properties != nil && azure.Properties.ETag != nil:
		return string(*azure.Properties.ETag), true
	}
	return "", false
}
