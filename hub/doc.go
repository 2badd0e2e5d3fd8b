// Package hub fetches models from the Hugging Face Hub, or any server that speaks its API, into the
// cache that Hugging Face's own libraries use, so that what one has fetched the others find.
//
// # The cache
//
// Under the cache's folder ($HF_HUB_CACHE, or hub in $HF_HOME, or ~/.cache/huggingface/hub) each
// model has a folder:
//
//	models--ORG--NAME/
//	    blobs/ETAG                the files' contents, each named after the ETag that the hub gives it:
//	                              its SHA-256, or for small files the SHA-1 that git gives it
//	    blobs/ETAG.incomplete     as much as has arrived of one
//	    snapshots/COMMIT/FILE     links to ../../blobs/ETAG
//	    refs/REVISION             the commit that a branch or tag was at when it was last asked for
//	.locks/models--ORG--NAME/ETAG.lock
//
// A file gets its name in blobs only when it is complete and its digest is the one that names it.
// While it is fetched its lock is held, as by the other libraries.
package hub
