package families

import (
	"errors"
	"testing"

	"kenserve/models"
)

func TestNew(t *testing.T) {
	config, err := models.ParseConfig([]byte(`{"model_type":"bert"}`))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := New(config); err != nil || a.MaxTokens() != 512 {
		t.Errorf("bert: %v, error %v", a, err)
	}
	config.ModelType = "perceiver"
	if a, err := New(config); !errors.Is(err, ErrUnknown) || a != nil {
		t.Errorf("perceiver: %v, error %v", a, err)
	}
}
