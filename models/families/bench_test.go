package families_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"kenserve/gemm/kernel"
	"kenserve/models"
	"kenserve/models/families"
	"kenserve/models/internal/modeltest"
)

// BenchmarkForward runs networks with published sizes on one core, with a small
// vocabulary and random weights, on 32 texts of about 25 tokens. It reports tokens
// per second, and the multiplications of the dense layers as a share of the FMA
// peak measured in the same run. A forward pass without other work would reach
// the share of the kernels.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct{ name, modelType, fields string }{
		{"BERT-base", "bert", ``},
		{"DeBERTa-base", "deberta", `,"relative_attention":true,"pos_att_type":["c2p","p2c"],"position_biased_input":false`},
		{"DeBERTa-v3-base", "deberta-v2", `,"hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,"intermediate_size":3072,"relative_attention":true,"pos_att_type":["p2c","c2p"],"position_biased_input":false,"position_buckets":256,"norm_rel_ebd":"layer_norm","share_att_key":true`},
		{"ModernBERT-base", "modernbert", ``},
		{"BLOOM-560m", "bloom", `,"hidden_size":1024,"n_layer":24,"n_head":16,"pad_token_id":3`},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			arch, weights, products := randomModel(b, r, `{"model_type":"`+c.modelType+`","vocab_size":1000`+c.fields+`}`)
			network, err := arch.Bind(weights)
			if err != nil {
				b.Fatal(err)
			}
			batch := randomTexts(r, 1000)
			w := models.NewWorkspace(nil)
			logits := make([]float32, 64)
			limit := kernel.Peak(100 * time.Millisecond)
			for b.Loop() {
				if err := network.Forward(w, batch, logits); err != nil {
					b.Fatal(err)
				}
			}
			tokens := float64(b.N*len(batch.IDs)) / b.Elapsed().Seconds()
			b.ReportMetric(tokens, "tokens/s")
			b.ReportMetric(2*float64(products)*tokens/limit, "of-peak")
		})
	}
}

// randomModel returns a model with random weights, and the number of its matrices'
// elements.
func randomModel(b *testing.B, r *rand.Rand, configuration string) (models.Architecture, modeltest.Weights, int) {
	config, err := models.ParseConfig([]byte(configuration))
	if err != nil {
		b.Fatal(err)
	}
	arch, err := families.New(config)
	if err != nil {
		b.Fatal(err)
	}
	weights, products := modeltest.Weights{}, 0
	for _, p := range append(arch.Parameters(), arch.Head(2)...) {
		data := make([]float32, elements(p.Shape))
		if p.Role == models.Matrix {
			products += len(data)
		}
		for i := range data {
			data[i] = float32(r.Float64()-0.5) * 0.1
		}
		weights[p.Name] = modeltest.Tensor{Shape: p.Shape, Data: data}
	}
	return arch, weights, products
}

// randomTexts returns 32 texts of about 25 tokens.
func randomTexts(r *rand.Rand, vocabulary int) *models.Batch {
	batch := &models.Batch{}
	for range 32 {
		for range 4 + int(25*math.Exp(0.6*r.NormFloat64())*0.7) {
			batch.IDs = append(batch.IDs, int32(r.IntN(vocabulary)))
		}
		batch.Ends = append(batch.Ends, len(batch.IDs))
	}
	return batch
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
