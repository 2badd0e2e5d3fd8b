package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"kenserve/delta"
	"kenserve/safetensors"
	"kenserve/viz"
	"kenserve/viz/figure"
	"kenserve/viz/page"
)

type vizCmd struct {
	File    string          `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base    string          `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Out     string          `required:"" placeholder:"DIR" help:"Folder to write index.html and the pictures to."`
	Tuned   string          `type:"model" placeholder:"DIR" help:"Checkpoint that the delta was made from, to compare with all that training changed."`
	Formats []figure.Format `placeholder:"png,svg,json" default:"png,svg" help:"What to write beside the page: png, svg, json (the numbers), or none."`
	Row     map[string]int  `placeholder:"TENSOR=N" help:"Row of a tensor to show the density of and the window around; otherwise the one that changed most. Repeatable."`
	Exact   int             `placeholder:"MB" default:"4" help:"How much of the page to spend on exact patterns, which let its windows move."`
	Width   int             `placeholder:"PIXELS" default:"1280" help:"Width of PNG pictures."`
	Dark    bool            `help:"Draw PNG and SVG pictures light on dark."`
	Workers int             `placeholder:"N" help:"Cores to use (default: all)."`
	cacheFlags
}

// noPictures is the one value of --formats that stands for the page alone.
const noPictures = "none"

func (c *vizCmd) Run(ctx context.Context, s streams) error {
	options, err := c.options()
	if err != nil {
		return usageError{err}
	}
	base, err := openBase("viz", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	d, err := base.delta(c.File, c.cacheFlags.open())
	if err != nil {
		return err
	}
	defer d.Close()
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
	err = page.WriteFolder(ctx, c.Out, m, options)
	bar.finish()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: written in %.1f s\n", filepath.Join(c.Out, page.FileName), time.Since(start).Seconds())
	return err
}

func (c *vizCmd) options() (page.FolderOptions, error) {
	o := page.FolderOptions{
		Page:  page.Options{Name: strings.TrimSuffix(filepath.Base(c.File), delta.Extension), Rows: c.Row, Exact: c.Exact << 20, Workers: c.Workers},
		Style: figure.Style{Dark: c.Dark, Width: c.Width},
	}
	if c.Exact == 0 {
		o.Page.Exact = -1
	}
	if c.Exact < 0 || c.Exact > 1024 {
		return o, fmt.Errorf("viz: --exact %d: it is at least 0 and at most 1024", c.Exact)
	}
	if c.Width < figure.MinWidth || c.Width > figure.MaxWidth {
		return o, fmt.Errorf("viz: --width %d: it is at least %d and at most %d", c.Width, figure.MinWidth, figure.MaxWidth)
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
