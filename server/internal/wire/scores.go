package wire

import (
	"kenserve/runtime"
	"kenserve/server/internal/httpbody"
	"kenserve/server/internal/jsonbody"
)

// AppendScores appends the k best labels of input i, all for k = 0.
func AppendScores(b []byte, m *httpbody.Buffers, r *runtime.Result, i, k int) []byte {
	m.Order = Rank(m.Order, r.Scores[i], k)
	b = append(b, '[')
	for n, j := range m.Order {
		if n > 0 {
			b = append(b, ',')
		}
		b = jsonbody.AppendString(append(b, `{"label":`...), r.Labels[j])
		b = jsonbody.AppendFloat(append(b, `,"score":`...), r.Scores[i][j])
		b = append(b, '}')
	}
	return append(b, ']')
}
