package tune

import (
	"fmt"
	"math"
	"slices"

	"kenserve/models"
	"kenserve/tune/internal/examples"
)

// verdict says in one sentence what to expect of the data.
func verdict(s situation, d *examples.Data) string {
	warnings := 0
	for _, f := range d.Findings {
		if f.Warning {
			warnings++
		}
	}
	text := ""
	switch {
	case d.Problem == models.Regression:
		text = fmt.Sprintf("%d texts with numbers", s.texts)
	case s.few():
		text = fmt.Sprintf("%d texts for %d labels are few, %d a label: expect more errors than with %d a label, and add texts where confusions are; the training first brings texts of a label together", s.texts, s.labels, s.texts/s.labels, fewTexts)
	default:
		counts := examples.Count(d.Train, d.Problem, s.labels)
		text = fmt.Sprintf("%d texts for %d labels, %d to %d a label", s.texts, s.labels, slices.Min(counts), slices.Max(counts))
	}
	if len(d.Dev) < 100 {
		text += fmt.Sprintf("; the dev set has only %d texts, so its scores are uncertain by about %.0f points", len(d.Dev), 100/math.Sqrt(float64(len(d.Dev))))
	}
	switch warnings {
	case 0:
	case 1:
		text += "; look at the warning first"
	default:
		text += fmt.Sprintf("; look at the %d warnings first", warnings)
	}
	return text
}
