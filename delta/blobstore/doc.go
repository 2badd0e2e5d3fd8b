// Package blobstore keeps delta files in object storage: s3://, gs://,
// azblob://, file:// and mem://, through gocloud.dev/blob.
//
// A task is the object NAME.ken directly below the address. Its version is the
// object's ETag. Fetching copies it, once for each content, into a folder of
// this machine, a [delta.Cache]: as long as the ETag stays, what lies there is
// used, and nobody writes to it, so it is memory-mapped. What fails for a reason
// that may pass is tried again, with growing pauses.
//
// The clients of s3://, gs:// and azblob:// are linked only into builds with
// the tag bucket, because they double the size of the program and the time to
// build it. Without them [Open] returns an error that names the remedy.
package blobstore
