package main

import (
	"context"
	"fmt"
	"os"

	"kenserve/delta"
	"kenserve/delta/pack"
	"kenserve/internal/stage"
)

type packCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file in the fast layout."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base. Exact values are compressed as differences from its values."`
	Out  string `required:"" placeholder:"FILE.ken" help:"File to write in the small layout."`

	Force bool `help:"Replace --out if it exists."`
}

func (c *packCmd) Run(ctx context.Context, s streams) error {
	out, err := createOutput("pack", "out", c.Out, "force", stage.Options{Replace: c.Force, Inputs: []string{c.File, c.Base}})
	if err != nil {
		return err
	}
	defer out.Abort()
	base, err := openBase("pack", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	d, err := delta.Open(c.File)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := pack.Write(d, out.Path(), base, base.fingerprint); err != nil {
		return err
	}
	if err := out.Commit(ctx); err != nil {
		return outputError("pack", "out", "force", err)
	}
	file, err := os.Stat(c.Out)
	if err != nil {
		return fmt.Errorf("pack: %w", err)
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, %.1f%% of %s in the fast layout\n", c.Out, formatSize(file.Size()), 100*float64(file.Size())/float64(d.Size), formatSize(d.Size))
	return err
}

type unpackCmd struct {
	File string `arg:"" placeholder:"FILE.ken" help:"Delta file in the small layout."`
	Base string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Out  string `required:"" placeholder:"FILE.ken" help:"File to write in the fast layout. It is identical to the file that was packed."`

	Force bool `help:"Replace --out if it exists."`
}

func (c *unpackCmd) Run(ctx context.Context, s streams) error {
	out, err := createOutput("unpack", "out", c.Out, "force", stage.Options{Replace: c.Force, Inputs: []string{c.File, c.Base}})
	if err != nil {
		return err
	}
	defer out.Abort()
	base, err := openBase("unpack", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	small, err := pack.Open(c.File)
	if err != nil {
		return err
	}
	defer small.Close()
	if err := small.Unpack(out.Path(), base, base.fingerprint); err != nil {
		return err
	}
	d, err := delta.Open(out.Path())
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Check(base, base.fingerprint); err != nil {
		return err
	}
	if err := out.Commit(ctx); err != nil {
		return outputError("unpack", "out", "force", err)
	}
	_, err = fmt.Fprintf(s.out, "%s: %s, from %s in the small layout\n", c.Out, formatSize(d.Size), formatSize(small.Size))
	return err
}
