// Package bucket keeps delta files in object storage, through gocloud.dev/blob:
// s3://, gs://, azblob://, file:// and mem://.
//
// A task is the object NAME.ken directly below the store's address, and its version
// is the object's ETag. Fetching a task copies its object into a folder of this
// machine, a [store.Cache]. Each content is copied once; the copy is used as long
// as the ETag stays the same, and is checked when it is read. A
// request that fails for a reason that may pass is tried again after growing pauses.
//
// The clients of s3://, gs:// and azblob:// are linked only into builds with the tag
// bucket, because they double the size of the program and the time to build it.
// Without them [Open] returns an error that names the remedy.
package bucket
