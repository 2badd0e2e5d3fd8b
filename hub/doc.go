// Package hub downloads models from the Hugging Face Hub, or from any server with the
// same API, into the cache of Hugging Face's own libraries. A model that one of them has
// downloaded is found by the others.
//
// # The cache
//
// The cache is the folder $HF_HUB_CACHE, or hub in $HF_HOME, or
// ~/.cache/huggingface/hub. Each model has a folder in it:
//
//	models--ORG--NAME/
//	    blobs/ETAG                content of a file, named after the ETag that the hub
//	                              gives it: its SHA-256, or for small files the SHA-1
//	                              that git gives it
//	    blobs/ETAG.incomplete     the part of a blob received so far
//	    snapshots/COMMIT/FILE     link to ../../blobs/ETAG
//	    refs/REVISION             commit of a branch or tag when it was last asked for
//	.locks/models--ORG--NAME/ETAG.lock
//
// A blob gets its final name only when it is complete and its digest equals that name.
// The lock of a blob is held while it is downloaded, as the other libraries do.
package hub
