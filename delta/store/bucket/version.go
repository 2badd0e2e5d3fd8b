package bucket

import (
	"fmt"
	"strings"

	"gocloud.dev/blob"

	// These need no cloud client: file:// and mem://.
	_ "gocloud.dev/blob/fileblob"
	_ "gocloud.dev/blob/memblob"
)

// version returns an object's version: its ETag without quotes, because some
// providers omit the quotes in some answers.
func version(a *blob.Attributes) string { return unquoted(a.ETag) }

// listedVersion returns the version of an object in a listing. Where a
// listing has no ETags (folders and memory), it is the one that gocloud.dev makes
// of time and size.
func listedVersion(o *blob.ListObject) string {
	if etag, ok := listedETag(o); ok {
		return unquoted(etag)
	}
	return fmt.Sprintf("%x-%x", o.ModTime.UnixNano(), o.Size)
}

func unquoted(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }
