package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"kenserve/hub"
)

// decodeModel decodes a flag of type "model": a path, or ORG/NAME of a model in the cache
// of Hugging Face's libraries, which it replaces by the model's folder there. A path that
// exists takes precedence.
func decodeModel(ctx *kong.DecodeContext, target reflect.Value) error {
	var value string
	if err := ctx.Scan.PopValueInto("folder", &value); err != nil {
		return err
	}
	if _, err := os.Stat(value); errors.Is(err, os.ErrNotExist) && isModelName(value) {
		dir, err := findModel(value)
		if err != nil {
			return err
		}
		value = dir
	}
	target.SetString(value)
	return nil
}

// findModel returns the folder of a downloaded model. If the model is not in the cache but the
// first part of its name is a folder, findModel returns the name, which was meant as a path. The
// command then reports that this path does not exist.
func findModel(name string) (string, error) {
	client, err := hub.FromEnvironment()
	if err != nil {
		return "", err
	}
	m, err := hub.ParseModel(name)
	if err != nil {
		return "", err
	}
	dir, err := client.Find(m)
	if errors.Is(err, hub.ErrNotCached) {
		if isFolder(filepath.Dir(name)) {
			return name, nil
		}
		return "", fmt.Errorf("%s is neither a folder nor a downloaded model; download it with: kenserve pull %s", name, name)
	}
	return dir, err
}

// isModelName reports whether s is the name of a model with its organisation.
func isModelName(s string) bool {
	_, err := hub.ParseModel(s)
	return err == nil && strings.Contains(s, "/")
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
