package bucket

import (
	"fmt"
	"strings"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"

	// Each client registers its scheme.
	_ "gocloud.dev/blob/azureblob"
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob"
)

// version returns an object's version: its ETag without quotes, because some
// providers omit the quotes in some answers.
func version(a *blob.Attributes) string { return unquoted(a.ETag) }

// listedVersion returns the version of an object in a listing, where each provider
// has the ETag in a type of its own. For folders and memory it repeats how
// gocloud.dev makes an ETag of time and size.
func listedVersion(o *blob.ListObject) string {
	var s3 types.Object
	var gcs storage.ObjectAttrs
	var azure container.BlobItem
	switch {
	case o.As(&s3) && s3.ETag != nil:
		return unquoted(*s3.ETag)
	case o.As(&gcs):
		return unquoted(gcs.Etag)
	case o.As(&azure) && azure.Properties != nil && azure.Properties.ETag != nil:
		return unquoted(string(*azure.Properties.ETag))
	}
	return fmt.Sprintf("%x-%x", o.ModTime.UnixNano(), o.Size)
}

func unquoted(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }
