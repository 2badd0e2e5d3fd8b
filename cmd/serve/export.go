package main

import (
	"fmt"
	"os"

	"kenserve/export"
)

type exportCmd struct {
	File  string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base."`
	Out   string `required:"" placeholder:"DIR" help:"Folder to write; it must not exist yet, or be empty."`
	Force bool   `help:"Write into a folder that is not empty."`
	cacheFlags
}

func (c *exportCmd) Run(s streams) error {
	base, err := openBase("export", c.Base)
	if err != nil {
		return err
	}
	defer base.Close()
	d, err := base.delta(c.File, c.cacheFlags.open())
	if err != nil {
		return err
	}
	defer d.Close()
	if samePath(c.Out, c.Base) {
		return usageError{fmt.Errorf("export: --out is the base's own folder, %s", c.Base)}
	}
	if files, err := os.ReadDir(c.Out); err == nil && len(files) > 0 && !c.Force {
		return usageError{fmt.Errorf("export: %s is not empty; --force writes into it all the same", c.Out)}
	}
	if err := export.Write(c.Out, c.Base, base.Checkpoint, d); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: written\n", c.Out)
	return err
}
