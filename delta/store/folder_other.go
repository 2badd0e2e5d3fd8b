//go:build !unix

package store

import "io/fs"

// inode returns 0: this system has no inodes, and time and size must be enough for
// a version.
func inode(fs.FileInfo) uint64 { return 0 }

func readOnlyFileSystem(error) bool { return false }
