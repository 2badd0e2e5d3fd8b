package wire

import (
	"kenserve/runtime"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
)

// AppendScores appends the k best labels of input i as a list of [Score], all
// labels for k = 0. It ranks in the memory of mem.
func AppendScores(b []byte, mem *httpbody.Buffers, r *runtime.Result, i, k int) []byte {
	mem.Order = Rank(mem.Order, r.Scores[i], k)
	b = append(b, '[')
	for n, j := range mem.Order {
		if n > 0 {
			b = append(b, ',')
		}
		b = jsonbody.AppendString(append(b, `{"label":`...), r.Labels[j])
		b = jsonbody.AppendFloat(append(b, `,"score":`...), r.Scores[i][j])
		b = append(b, '}')
	}
	return append(b, ']')
}
