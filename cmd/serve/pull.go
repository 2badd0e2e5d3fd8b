package main

import (
	"context"
	"fmt"

	"kenserve/hub"
	"kenserve/internal/settings"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/tokenizer"
)

type pullCmd struct {
	Model string `arg:"" placeholder:"ORG/NAME[@REVISION]" help:"Model on the hub. The default revision is main."`
}

func (c *pullCmd) Help() string {
	return `Downloads the model's configuration, tokenizer and safetensors weights, and prints their folder. Every --base ORG/NAME finds it afterwards. An interrupted download resumes where it stopped. HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_TOKEN have the same meaning as for Hugging Face's libraries.`
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
	var bar *progress
	file, shown := "", int64(0)
	dir, err := client.Pull(ctx, m, func(name string, done, size int64) {
		if name != file {
			if bar != nil {
				bar.finish()
			}
			bar, file, shown = newProgress(s.err, name+", bytes", int(size)), name, 0
		}
		// done falls if the server sent other bytes than the missing ones, so that the
		// download starts again. The bar then stays until done passes it.
		if done > shown {
			bar.add(int(done - shown))
			shown = done
		}
	})
	if bar != nil {
		bar.finish()
	}
	if err != nil {
		return err
	}
	describeModel(dir, s.warn("pull"))
	_, err = fmt.Fprintln(s.out, dir)
	return err
}

// describeModel warns about settings of a downloaded model that are unknown, and says if
// the model cannot be used as a base.
func describeModel(dir string, warn func(line string)) {
	config, err := models.ReadConfig(dir)
	if err == nil {
		_, err = families.New(config)
	}
	if err != nil {
		warn(fmt.Sprintf("the model cannot be served: %v", err))
		return
	}
	unknown := []settings.Unknown{config.Unknown}
	t, err := tokenizer.Open(dir)
	if err != nil {
		warn(fmt.Sprintf("the model cannot be served: %v", err))
	} else {
		unknown = append(unknown, t.Unknown()...)
	}
	_ = reportUnknown("pull", false, warn, unknown...)
}
