package main

import (
	"context"
	"fmt"
	"strings"

	"kenserve/delta"
	"kenserve/export"
	"kenserve/internal/stage"
)

type exportCmd struct {
	File  string `arg:"" placeholder:"FILE.ken" help:"Delta file."`
	Base  string `type:"model" required:"" placeholder:"DIR" help:"Hugging Face folder of the base, or ORG/NAME of a model that \"kenserve pull\" downloaded."`
	Out   string `required:"" placeholder:"DIR" help:"Folder to write the checkpoint to. It must be empty or not exist, unless --force is set."`
	Force bool   `help:"Write to --out even if it is not empty; files of the same name are replaced."`
	cacheFlags
}

func (c *exportCmd) Run(ctx context.Context, s streams) error {
	out, err := createOutput("export", "out", c.Out, "force", stage.Options{
		Folder: true, Names: export.FileNames(), Replace: c.Force, Inputs: []string{c.File, c.Base},
	})
	if err != nil {
		return err
	}
	defer out.Abort()
	base, d, closeBoth, err := c.openWithBase("export", c.Base, c.File)
	if err != nil {
		return err
	}
	defer closeBoth()
	if err := export.CheckFolder(c.Out, c.Base, d); err != nil {
		return err
	}
	if err := export.Write(out.Path(), c.Base, base.Checkpoint, d); err != nil {
		return err
	}
	if err := out.Commit(ctx); err != nil {
		return outputError("export", "out", "force", err)
	}
	if lost := notExported(d.Info); lost != "" {
		fmt.Fprintf(s.err, "export: the checkpoint has no place for the delta's %s; \"kenserve inspect\" prints the values\n", lost)
	}
	_, err = fmt.Fprintf(s.out, "%s: written\n", c.Out)
	return err
}

// notExported names what the server or eval applies to the task's logits and a checkpoint
// has no place for. It is empty if the delta has nothing of the kind.
func notExported(i delta.Info) string {
	var parts []string
	if i.Temperature != 0 && i.Temperature != 1 {
		parts = append(parts, fmt.Sprintf("temperature (%.4g)", i.Temperature))
	}
	if i.Thresholds != nil {
		parts = append(parts, "thresholds")
	}
	return strings.Join(parts, " and ")
}
