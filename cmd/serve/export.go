package main

import (
	"fmt"
	"os"

	"kenserve/export"
)

type exportCmd struct {
	File  string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Out   string `required:"" placeholder:"DIR" help:"Folder to write the checkpoint to. It must be empty or not exist, unless --force is set."`
	Force bool   `help:"Write to --out even if it is not empty; files of the same name are replaced."`
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
		return usageError{fmt.Errorf("export: --out is the folder of the base, %s; choose another folder", c.Base)}
	}
	if files, err := os.ReadDir(c.Out); err == nil && len(files) > 0 && !c.Force {
		return usageError{fmt.Errorf("export: %s is not empty; choose another folder or add --force", c.Out)}
	}
	if err := export.Write(c.Out, c.Base, base.Checkpoint, d); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: written\n", c.Out)
	return err
}
