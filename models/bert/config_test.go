package bert_test

import (
	"strings"
	"testing"

	"kenserve/models"
	"kenserve/models/bert"
)

// TestNewRefuses: New returns an error that names the member.
func TestNewRefuses(t *testing.T) {
	for _, c := range []struct{ field, message string }{
		{`"hidden_act":"swish"`, `activation "swish"`},
		{`"hidden_act":""`, `activation ""`},
		{`"position_embedding_type":"relative_key"`, `"relative_key"`},
		{`"is_decoder":true`, "is_decoder"},
		{`"add_cross_attention":true`, "add_cross_attention"},
		{`"pruned_heads":{"0":[1]}`, "pruned_heads"},
		{`"hidden_size":0`, "hidden_size is 0"},
		{`"hidden_size":-768`, "hidden_size is -768"},
		{`"hidden_size":770`, "not a multiple"},
		{`"hidden_size":"768"`, `hidden_size is "768", want a whole number`},
		{`"hidden_size":768.5`, `hidden_size is 768.5, want a whole number`},
		{`"hidden_size":null`, "hidden_size is null"},
		{`"is_encoder_decoder":true`, "is_encoder_decoder"},
		{`"quantization_config":{"load_in_8bit":true}`, "quantization_config"},
		{`"num_attention_heads":0`, "num_attention_heads is 0"},
		{`"num_hidden_layers":0`, "num_hidden_layers is 0"},
		{`"num_hidden_layers":100000`, "num_hidden_layers is 100000"},
		{`"intermediate_size":0`, "intermediate_size is 0"},
		{`"vocab_size":0`, "vocab_size is 0"},
		{`"vocab_size":999999999`, "vocab_size is 999999999"},
		{`"type_vocab_size":0`, "type_vocab_size is 0"},
		{`"max_position_embeddings":0`, "max_position_embeddings is 0"},
		{`"layer_norm_eps":0`, "layer_norm_eps is 0"},
		{`"layer_norm_eps":-1`, "layer_norm_eps is -1"},
	} {
		config, err := models.ParseConfig([]byte(`{"model_type":"bert",` + c.field + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bert.Family.New(config); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: got error %v, want one with %q", c.field, err, c.message)
		}
	}
}

// TestNewDefaults: a configuration without sizes is BERT-base.
func TestNewDefaults(t *testing.T) {
	config, err := models.ParseConfig([]byte(`{"model_type":"bert","position_embedding_type":"absolute","pruned_heads":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := bert.Family.New(config)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, p := range append(a.Parameters(), a.Head(2)...) {
		n := 1
		for _, d := range p.Shape {
			n *= d
		}
		count += n
	}
	if want := 109483778; count != want { // number in transformers
		t.Errorf("%d parameters, want %d", count, want)
	}
	if a.MaxTokens() != 512 || a.Prefix() != "bert." {
		t.Errorf("MaxTokens %d, prefix %q", a.MaxTokens(), a.Prefix())
	}
}
