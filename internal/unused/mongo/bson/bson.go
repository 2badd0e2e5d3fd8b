// Package bson replaces go.mongodb.org/mongo-driver/v2/bson, which gin imports to read
// and write BSON. kenserve parses request bodies itself, and all of its routes use
// JSON. The real package takes a fiftieth of the processor time of a build. go.mod
// replaces the module with this one, which declares the names that gin uses; its
// functions return an error.
//
// If a new version of gin needs another name, the build fails and reports it.
package bson

import "errors"

var errNoBSON = errors.New("BSON is not supported: this build replaces go.mongodb.org/mongo-driver/v2")

// Marshal returns an error.
func Marshal(any) ([]byte, error) { return nil, errNoBSON }

// Unmarshal returns an error.
func Unmarshal([]byte, any) error { return errNoBSON }
