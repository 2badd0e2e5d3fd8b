package tune

import (
	"math"

	"kenserve/models/grad"
	"kenserve/tune/internal/train"
)

// scale maps the values of a regression to what is trained, which has a mean of 0 and a
// standard deviation of 1: rates and first weights suit values of that size. The head is
// scaled back before it is written.
type scale struct{ mean, deviation float64 }

// fitScale returns the scale of the training values. Without a bias in the head, the mean
// cannot be stored, so it stays 0.
func (t *tuning) fitScale() (scale, error) {
	_, bias, err := t.outputLayer()
	if err != nil {
		return scale{}, err
	}
	s := scale{deviation: 1}
	n := float64(len(t.train))
	if bias != "" {
		for i := range t.train {
			s.mean += t.train[i].Value / n
		}
	}
	variance := 0.0
	for i := range t.train {
		d := t.train[i].Value - s.mean
		variance += d * d / n
	}
	if variance > 0 {
		s.deviation = math.Sqrt(variance)
	}
	return s, nil
}

// apply scales the values of samples.
func (s scale) apply(samples []train.Sample) {
	for i := range samples {
		samples[i].Value = (samples[i].Value - s.mean) / s.deviation
	}
}

// outputLayer returns the names of the weight and the bias of the head's last layer.
func (t *tuning) outputLayer() (weight, bias string, err error) {
	layers, err := grad.HeadLayers(t.base.arch, len(t.data.Labels))
	if err != nil {
		return "", "", err
	}
	for _, l := range layers {
		if l.Kind == grad.Dense {
			weight, bias = l.Weight, l.Bias
		}
	}
	return weight, bias, nil
}

// restore makes a model that was trained on scaled values give values of the data.
func (t *tuning) restore(m *train.Model) error {
	if t.scale.deviation == 0 {
		return nil
	}
	weight, bias, err := t.outputLayer()
	if err != nil {
		return err
	}
	m.Rescale(weight, float32(t.scale.deviation), 0)
	m.Rescale(bias, float32(t.scale.deviation), float32(t.scale.mean))
	return nil
}
