// Package bucket keeps delta files in object storage: s3://, gs://,
// azblob://, file:// and mem://, through gocloud.dev/blob.
//
// A task is the object NAME.ken directly below the address. Its version is the
// object's ETag. Fetching copies it, once for each content, into a folder of
// this machine, a [store.Cache]: as long as the ETag stays, what lies there is
// used, and nobody writes to it, so it is memory-mapped. What fails for a reason
// that may pass is tried again, with growing pauses.
//
// It is a package of its own because of the weight of the clients: who reads
// deltas from files does without them.
package bucket
