package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// examples are printed below the help of a command. The key is the command's path, and
// empty for the program.
var examples = map[string][]string{
	"": {
		"kenserve",
		"kenserve --base sentence-transformers/all-MiniLM-L6-v2 --store tasks --listen :8080",
		"kenserve prune --base base --tuned tuned/trec --out tasks/trec.ken --select delta --keep 0.5 --values sign",
	},
	"serve": {
		"kenserve serve --config config.yaml --check",
		"kenserve serve --base base --store tasks --memory 4GiB --admin-key-file admin.keys",
		"kenserve serve --listen :8443 --tls-cert cert.pem --tls-key key.pem --api-key-file api.keys",
		"kenserve serve --grpc-listen :8081 --admin-listen 127.0.0.1:8082 --log-format json",
	},
	"tune": {
		"kenserve tune intents.csv --base base --out tasks/intents.ken",
		"kenserve tune train.jsonl --dev dev.jsonl --base base --out tasks/trec.ken --sparse 0.001 --report trec.html",
		"kenserve tune tickets.csv --text-column body --label-column queue --class-weights auto --base base --out tasks/tickets.ken",
		"kenserve tune train.csv --base base --out tasks/large.ken --full --tolerance 0.01",
	},
	"prune": {
		"kenserve prune --base base --tuned tuned/trec --out trec.ken --select delta --keep 0.5 --values sign",
		"kenserve prune --base base --tuned tuned/trec --out trec.ken --select ken --keep 0.75 --values int8",
	},
	"inspect":  {"kenserve inspect trec.ken", "kenserve inspect trec.ken --json"},
	"verify":   {"kenserve verify trec.ken --base base"},
	"export":   {"kenserve export trec.ken --base base --out trec"},
	"eval":     {"kenserve eval trec.ken --base base --data test.jsonl", "kenserve eval trec.ken --base base --data test.csv --text-column question --label-column class"},
	"classify": {"kenserve classify trec.ken --base base --input texts.txt --top-k 1", "kenserve classify trec.ken --base base --input rows.csv --text-column body --output labels.jsonl --resume"},
	"viz":      {"kenserve viz trec.ken --base base --out trec-viz"},
	"diff":     {"kenserve diff trec.ken sst2.ken --base base"},
	"pack":     {"kenserve pack trec.ken --base base --out small/trec.ken"},
	"unpack":   {"kenserve unpack small/trec.ken --base base --out trec.ken"},
	"pull":     {"kenserve pull sentence-transformers/all-MiniLM-L6-v2"},
	"tokenize": {"kenserve tokenize --base base < texts.txt", "kenserve tokenize trec.ken --base base < texts.txt"},
	"completion": {
		"kenserve completion bash > /etc/bash_completion.d/kenserve",
		"kenserve completion zsh > ~/.zfunc/_kenserve",
		"kenserve completion fish > ~/.config/fish/completions/kenserve.fish",
	},
}

// printHelp prints kong's own help and the examples.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	path := ""
	if node := ctx.Selected(); node != nil {
		path = commandPath(node)
	}
	list := examples[path]
	if len(list) == 0 {
		return nil
	}
	_, err := fmt.Fprintf(ctx.Stdout, "\nExamples:\n  %s\n", strings.Join(list, "\n  "))
	return err
}

// commandPath returns the words of a command after the program's name.
func commandPath(node *kong.Node) string {
	path := ""
	for ; node != nil && node.Type == kong.CommandNode; node = node.Parent {
		path = strings.TrimSpace(node.Name + " " + path)
	}
	return path
}
