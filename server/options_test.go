package server

import (
	"strings"
	"testing"
	"time"

	"kenserve/server/internal/servertest"
)

func TestOptions(t *testing.T) {
	o, err := Options{MaxTexts: 7, IdleTimeout: time.Second}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	if o.MaxTexts != 7 || o.IdleTimeout != time.Second || o.MaxBodyBytes != 4<<20 || o.RequestTimeout != time.Minute || o.Logger == nil {
		t.Errorf("%+v", o)
	}
	for want, o := range map[string]Options{
		"MaxTexts is -1":       {MaxTexts: -1},
		"MaxBodyBytes is -5":   {MaxBodyBytes: -5},
		"ReadTimeout is -1s":   {ReadTimeout: -time.Second},
		"DrainTimeout is -1ns": {DrainTimeout: -1},
		"Grace is 1m0s":        {Grace: time.Minute},
	} {
		if _, err := New(servertest.NewEngine(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
	if _, err := New(nil, Options{}); err == nil {
		t.Error("New accepts a nil engine")
	}
}
