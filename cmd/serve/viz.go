package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"kenserve/delta"
	"kenserve/internal/stage"
	"kenserve/safetensors"
	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/page"
)

type vizCmd struct {
	File    string          `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base    string          `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Out     string          `required:"" placeholder:"DIR" help:"Folder to write index.html and the pictures to. It must be empty or not exist, unless --force is set."`
	Tuned   string          `type:"model" placeholder:"DIR" help:"Hugging Face folder of the checkpoint that the delta was made from. With it, kept changes are compared with all changes of the training."`
	Formats []figure.Format `placeholder:"png,svg,json" default:"png,svg" help:"Formats of the pictures to write beside the page: png, svg, json (the numbers), or none (default ${default})."`
	Row     map[string]int  `placeholder:"TENSOR=N" help:"Row of a tensor to show in detail: its density and the window around it (default: the row that changed most). Repeatable."`
	Exact   int             `placeholder:"MB" default:"4" help:"Maximum size, in MB, of the exact patterns in the page, 0 to 1024 (default ${default}). With its exact pattern, the window of a tensor can be moved."`
	Width   int             `placeholder:"PIXELS" default:"1280" help:"Width of PNG pictures in pixels (default ${default})."`
	Dark    bool            `help:"Draw PNG and SVG pictures on a dark background."`
	Workers int             `placeholder:"N" help:"Number of cores to use (default: all)."`
	Force   bool            `help:"Write to --out even if it is not empty; files of the same name are replaced."`
	cacheFlags
}

// noPictures is the value of --formats for the page alone.
const noPictures = "none"

func (c *vizCmd) Run(ctx context.Context, s streams) error {
	options, err := c.options()
	if err != nil {
		return usageError{err}
	}
	out, err := createOutput("viz", "out", c.Out, "force", stage.Options{
		Folder: true, Names: []string{page.FileName}, Replace: c.Force, Inputs: []string{c.File, c.Base, c.Tuned},
	})
	if err != nil {
		return err
	}
	defer out.Abort()
	base, d, closeBoth, err := c.openWithBase("viz", c.Base, c.File)
	if err != nil {
		return err
	}
	defer closeBoth()
	var tuned delta.Tensors
	if c.Tuned != "" {
		checkpoint, err := safetensors.OpenCheckpoint(c.Tuned)
		if err != nil {
			return fmt.Errorf("viz: open tuned checkpoint: %w", err)
		}
		defer checkpoint.Close()
		tuned = checkpoint
	}
	m, err := viz.New(d, base, tuned)
	if err != nil {
		return err
	}
	start := time.Now()
	bar := newProgress(s.err, "drawing", page.Steps(m, options.Formats))
	options.Page.Progress = func() { bar.add(1) }
	err = page.WriteFolder(ctx, out.Path(), m, options)
	bar.finish()
	if err != nil {
		return err
	}
	if err := out.Commit(ctx); err != nil {
		return outputError("viz", "out", "force", err)
	}
	_, err = fmt.Fprintf(s.out, "%s: written in %.1f s\n", filepath.Join(c.Out, page.FileName), time.Since(start).Seconds())
	return err
}

// options checks the flags and returns the options for the folder.
func (c *vizCmd) options() (page.FolderOptions, error) {
	o := page.FolderOptions{
		Page:  page.Options{Name: strings.TrimSuffix(filepath.Base(c.File), delta.Extension), Rows: c.Row, Exact: c.Exact << 20, Workers: c.Workers},
		Style: figure.Style{Dark: c.Dark, Width: c.Width},
	}
	if c.Exact == 0 {
		o.Page.Exact = -1
	}
	if c.Exact < 0 || c.Exact > 1024 {
		return o, fmt.Errorf("viz: --exact is %d; it must be from 0 to 1024", c.Exact)
	}
	if c.Width < figure.MinWidth || c.Width > figure.MaxWidth {
		return o, fmt.Errorf("viz: --width is %d; it must be from %d to %d", c.Width, figure.MinWidth, figure.MaxWidth)
	}
	if len(c.Formats) == 1 && c.Formats[0] == noPictures {
		return o, nil
	}
	for _, name := range c.Formats {
		f, err := figure.ParseFormat(string(name))
		if err != nil {
			return o, err
		}
		o.Formats = append(o.Formats, f)
	}
	return o, nil
}
