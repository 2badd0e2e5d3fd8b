// Package bucket keeps delta files in object storage, through gocloud.dev/blob:
// s3://, gs://, azblob://, file:// and mem://.
//
// A task is the object NAME.ken directly below the store's address, and its version
// is the object's ETag. Fetching a task copies its object into a folder of this
// machine, a [store.Cache]. Each content is copied once; the copy is used as long
// as the ETag stays the same, and may be mapped because nobody writes to it. A
// request that fails for a reason that may pass is tried again after growing pauses.
//
// The clients of the cloud providers are large. They are in this package alone, so
// that a program which reads deltas from files does without them.
package bucket
