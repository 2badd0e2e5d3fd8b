package ken

// Report says what pruning kept.
type Report struct {
	Tensors []TensorReport `json:"tensors"` // in the order of their names in the base
}

// TensorReport says what was kept of one tensor.
type TensorReport struct {
	Name     string `json:"name"` // in the base
	Shape    []int  `json:"shape"`
	Selected int    `json:"selected"` // values that the selection picked
	Stored   int    `json:"stored"`   // selected values that differ from the base

	// MaskSHA256 is the SHA-256 of the selection's mask, in hexadecimal. The mask's
	// rows are packed 8 flags a byte, least significant bit first, each row padded
	// to a whole byte. It is empty without [Options.Masks].
	MaskSHA256 string `json:"mask_sha256,omitempty"`
}
