package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"

	"kenserve/hub"
)

type pullCmd struct {
	Model string `arg:"" placeholder:"ORG/NAME[@REVISION]" help:"Model of the hub; without a revision its main one."`
}

func (c *pullCmd) Help() string {
	return `The model's configuration, tokenizer and safetensors weights are fetched; its folder is printed, and every --base ORG/NAME finds it. An interrupted pull goes on where it stopped. HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_TOKEN mean what they mean to Hugging Face's libraries.

Example: kenserve pull sentence-transformers/all-MiniLM-L6-v2`
}

func (c *pullCmd) Run(ctx context.Context, s streams) error {
	m, err := hub.ParseModel(c.Model)
	if err != nil {
		return usageError{err}
	}
	client, err := hub.FromEnvironment()
	if err != nil {
		return err
	}
	var p *progress
	file, shown := "", int64(0)
	dir, err := client.Pull(ctx, m, func(name string, done, size int64) {
		if name != file {
			if p != nil {
				p.finish()
			}
			p, file, shown = newProgress(s.err, name+", bytes", int(size)), name, 0
		}
		// What arrived was not the part that was missing, and is counted anew.
		if done > shown {
			p.add(int(done - shown))
			shown = done
		}
	})
	if p != nil {
		p.finish()
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, dir)
	return err
}

// isModel reports whether s is the name of a model, with its organisation.
func isModel(s string) bool {
	_, err := hub.ParseModel(s)
	return err == nil && strings.Contains(s, "/")
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// decodeModel reads a flag that is a Hugging Face folder: one of the machine, or by ORG/NAME one
// that was pulled.
func decodeModel(ctx *kong.DecodeContext, target reflect.Value) error {
	var value string
	if err := ctx.Scan.PopValueInto("folder", &value); err != nil {
		return err
	}
	if _, err := os.Stat(value); errors.Is(err, os.ErrNotExist) && isModel(value) {
		client, err := hub.FromEnvironment()
		if err != nil {
			return err
		}
		m, err := hub.ParseModel(value)
		if err != nil {
			return err
		}
		dir, err := client.Find(m)
		switch {
		case errors.Is(err, hub.ErrNotCached) && isFolder(filepath.Dir(value)):
			dir = value // a path after all, of which its reader will say that it is not there
		case errors.Is(err, hub.ErrNotCached):
			return fmt.Errorf("%s is neither a folder nor in the cache of models; fetch it with: kenserve pull %s", value, value)
		case err != nil:
			return err
		}
		value = dir
	}
	target.SetString(value)
	return nil
}
