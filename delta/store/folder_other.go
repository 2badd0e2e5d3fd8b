//go:build !unix

package store

import "io/fs"

// inode is not to be had here: time and size must do.
func inode(fs.FileInfo) uint64 { return 0 }

func readOnlyFileSystem(error) bool { return false }
