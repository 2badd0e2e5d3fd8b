// Package page writes the result of a tuning as one web page that needs no other file: a
// description of the data, the curves of the training, the scores of every label, confusions,
// and texts whose label may be wrong.
package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"kenserve/evaluate"
	"kenserve/safetensors"
	"kenserve/tune"
)

//go:embed page.html
var source string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"percent": func(x float64) string { return fmt.Sprintf("%.1f%%", 100*x) },
	"number":  func(x float64) string { return fmt.Sprintf("%.3g", x) },
	"score":   func(x float64) string { return fmt.Sprintf("%.4f", x) },
	"size":    formatSize,
	"seconds": func(x float64) string { return fmt.Sprintf("%.0f s", x) },
}).Parse(source))

// content is what the template shows.
type content struct {
	*tune.Report
	Single *evaluate.SingleLabel
	Multi  *evaluate.MultiLabel
	Values *evaluate.Regression
	Loss   *chart // of training and dev set
	Score  *chart // on the dev set
	// ScoreName names the score of the curves.
	ScoreName    string
	SharePercent float64
	RecipeText   string
}

// Write writes the page to a file, in one step.
func Write(path string, r *tune.Report) error {
	var out bytes.Buffer
	if err := render(&out, r); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return safetensors.Replace(path, func(w io.Writer) error {
		_, err := w.Write(out.Bytes())
		return err
	})
}

func render(w io.Writer, r *tune.Report) error {
	c := content{Report: r, ScoreName: "accuracy", SharePercent: 100 * r.Share, RecipeText: r.Recipe.String()}
	switch d := r.Dev.(type) {
	case *evaluate.SingleLabel:
		c.Single = d
	case *evaluate.MultiLabel:
		c.Multi, c.ScoreName = d, "micro F1"
	case *evaluate.Regression:
		c.Values, c.ScoreName = d, "R²"
	}
	if len(r.History) > 1 {
		var training, dev, score series
		training.Name, dev.Name, score.Name = "training texts", "dev set", "dev set"
		for _, p := range r.History {
			training.add(p.Epoch, p.Loss)
			dev.add(p.Epoch, p.DevLoss)
			score.add(p.Epoch, p.Score)
		}
		c.Loss = newChart("loss", r.Best.Epoch, training, dev)
		c.Score = newChart(c.ScoreName, r.Best.Epoch, score)
	}
	return pageTemplate.Execute(w, c)
}

// formatSize writes a number of bytes for people.
func formatSize(n int64) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.2f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d bytes", n)
}
