package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"kenserve/tune"
)

// printData prints what is known of the data before training.
func printData(s streams, d *tune.DataReport) {
	split := "dev texts"
	if d.Split {
		split = "dev texts, split off"
	}
	fmt.Fprintf(s.err, "tune: %s, %d labels: %d training texts, %d %s\n", d.Problem, len(d.Labels), d.Train, d.Dev, split)
	for _, f := range d.Findings {
		kind := "note"
		if f.Warning {
			kind = "warning"
		}
		fmt.Fprintf(s.err, "tune: %s: %s\n", kind, f)
	}
	fmt.Fprintf(s.err, "tune: %s\n", d.Verdict)
	fmt.Fprintf(s.err, "tune: recipe: %s\n", d.Recipe)
}

// printTuning prints the result of a run.
func printTuning(s streams, r *tune.Report) error {
	if err := printEvaluation(s, r.Dev); err != nil {
		return err
	}
	if len(r.Confusions) > 0 {
		fmt.Fprint(s.out, "\nmost frequent confusions\n")
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		for _, c := range r.Confusions[:min(len(r.Confusions), 8)] {
			fmt.Fprintf(w, "%d\t%s\tas %s\n", c.Texts, c.Label, c.Predicted)
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(r.Mistakes) > 0 {
		fmt.Fprint(s.out, "\nmost confidently wrong: the label may be wrong\n")
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		for _, m := range r.Mistakes[:min(len(r.Mistakes), 8)] {
			fmt.Fprintf(w, "row %d\t%.2f %s\tlabelled %s\t%s\n", m.Row, m.Confidence, m.Predicted, m.Label, cut(m.Text, 70))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(s.out)
	if r.Temperature != 0 {
		line := fmt.Sprintf("temperature %.3g", r.Temperature)
		if r.CalibrationBefore != 0 {
			line += fmt.Sprintf(" (calibration error on the dev set %.3f, without it %.3f)", r.CalibrationAfter, r.CalibrationBefore)
		}
		fmt.Fprintln(s.out, line)
	}
	early := ""
	if r.Ended != "" {
		early = fmt.Sprintf(", ended early: %s", r.Ended)
	}
	fmt.Fprintf(s.out, "best at epoch %.3g of %.3g%s\n", r.Best.Epoch, float64(r.Planned)*r.Best.Epoch/float64(max(1, r.Best.Step)), early)
	_, err := fmt.Fprintf(s.out, "%s: %s, %.2f%% of the full float32 checkpoint; tuned in %.0f s, %.0f texts/s\n", r.File, formatSize(r.Bytes), 100*r.Share, r.Seconds, r.TextsPerSecond)
	return err
}

// cut shortens a text to a number of characters, in one line.
func cut(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	runes := []rune(text)
	if len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return text
}
