//go:build !noasm && amd64

package kernel

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// machine interprets the few instructions of the kernels in avx512_gemm_amd64.s, on
// the memory of this process, so that the kernels can be compared with their references
// on processors without AVX-512. It refuses every access outside the memory that it was
// given.
type machine struct {
	general    map[string]uint64
	vectors    [32][64]byte
	frame      []uint64 // arguments
	memory     []memoryRange
	lastResult int64 // whose sign and zero decide jumps
	fetched    map[uint64]bool
}

// memoryRange is memory that a kernel may read and, if it is writable, write.
type memoryRange struct {
	bytes    []byte
	writable bool
}

// operands keeps operands on the heap: a stack may move, but the machine holds addresses
// as numbers.
var operands any

func memory[T any](s []T, writable bool) memoryRange {
	operands = s
	return memoryRange{unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), uintptr(len(s))*unsafe.Sizeof(*new(T))), writable}
}

type instruction struct {
	op   string
	args []string
}

type function struct {
	code   []instruction
	labels map[string]int
}

// parseAssembly returns the functions of a generated file by name.
func parseAssembly(t *testing.T, file string) map[string]*function {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	functions := map[string]*function{}
	var f *function
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "//")
		switch {
		case strings.HasPrefix(line, "TEXT ·"):
			name, _, _ := strings.Cut(strings.TrimPrefix(line, "TEXT ·"), "(")
			f = &function{labels: map[string]int{}}
			functions[name] = f
		case line == "" || line[0] == '#' || f == nil:
		case strings.HasSuffix(line, ":"):
			f.labels[strings.TrimSuffix(line, ":")] = len(f.code)
		default:
			op, rest, _ := strings.Cut(line, " ")
			in := instruction{op: op}
			for arg := range strings.SplitSeq(rest, ",") {
				if arg = strings.TrimSpace(arg); arg != "" {
					in.args = append(in.args, arg)
				}
			}
			f.code = append(f.code, in)
		}
	}
	return functions
}

// run interprets a function until it returns.
func (m *machine) run(f *function) error {
	m.general, m.fetched = map[string]uint64{}, map[uint64]bool{}
	for r := range m.vectors {
		for i := range m.vectors[r] {
			m.vectors[r][i] = 0xff // NaN, and -1: a register that was not set spoils the result
		}
	}
	for pc, steps := 0, 0; ; pc, steps = pc+1, steps+1 {
		if pc >= len(f.code) || steps > 1e7 {
			return fmt.Errorf("no RET after %d steps", steps)
		}
		in := f.code[pc]
		if in.op == "RET" {
			return nil
		}
		if target, err := m.step(in, f.code[pc:]); err != nil {
			return fmt.Errorf("%s %s: %w", in.op, strings.Join(in.args, ", "), err)
		} else if target != "" {
			at, ok := f.labels[target]
			if !ok {
				return fmt.Errorf("no label %q", target)
			}
			pc = at - 1
		}
	}
}

// step interprets one instruction, code[0], and returns the label to which it jumps, if
// it does. An instruction that is written as words has its end in code[1].
func (m *machine) step(in instruction, code []instruction) (target string, err error) {
	jump := func(taken bool) (string, error) {
		if taken {
			return in.args[0], nil
		}
		return "", nil
	}
	last := func() string { return in.args[len(in.args)-1] }
	switch in.op {
	case "MOVQ":
		m.general[last()], err = m.value(in.args[0])
	case "LEAQ":
		m.general[last()], err = m.address(in.args[0])
	case "ADDQ", "SUBQ", "DECQ":
		by := uint64(1)
		if in.op != "DECQ" {
			by, err = m.value(in.args[0])
		}
		if in.op != "ADDQ" {
			by = -by
		}
		m.general[last()] += by
		m.lastResult = int64(m.general[last()])
	case "JL":
		return jump(m.lastResult < 0)
	case "JGE":
		return jump(m.lastResult >= 0)
	case "JZ":
		return jump(m.lastResult == 0)
	case "JNZ":
		return jump(m.lastResult != 0)
	case "VZEROUPPER", "WORD":
	case "PREFETCHT1": // any address is allowed
		var at uint64
		at, err = m.address(in.args[0])
		m.fetched[at] = true
	case "VMOVUPS":
		if r, ok := vectorRegister(last()); ok {
			err = m.load(m.vectors[r][:], in.args[0])
			break
		}
		r, ok := vectorRegister(in.args[0])
		if !ok {
			return "", fmt.Errorf("a store of something else than a vector register")
		}
		var to []byte
		if to, err = m.bytes(last(), 64, true); err == nil {
			copy(to, m.vectors[r][:])
		}
	case "VBROADCASTSS", "VPBROADCASTD":
		var word [4]byte
		err = m.load(word[:], in.args[0])
		r, _ := vectorRegister(last())
		for i := range 16 {
			copy(m.vectors[r][4*i:], word[:])
		}
	case "VPSLLD", "VPSRLD":
		by, _ := m.value(in.args[0])
		x, _ := vectorRegister(in.args[1])
		dst, _ := vectorRegister(last())
		for i := 0; i < 64; i += 4 {
			lane := binary.LittleEndian.Uint32(m.vectors[x][i:])
			if in.op == "VPSLLD" {
				lane <<= by
			} else {
				lane >>= by
			}
			binary.LittleEndian.PutUint32(m.vectors[dst][i:], lane)
		}
	case "VFMADD231PS", "VPDPBUSD":
		var r [3]int
		for i, arg := range in.args {
			var ok bool
			if r[i], ok = vectorRegister(arg); !ok {
				return "", fmt.Errorf("an operand is not a vector register")
			}
		}
		m.multiply(in.op, r[0], r[1], r[2])
	case "LONG":
		// Only VDPBF16PS of registers is written as words.
		low, err := m.value(in.args[0])
		if err != nil || len(code) < 2 || code[1].op != "WORD" {
			return "", fmt.Errorf("a LONG without its WORD: %v", err)
		}
		high, err := m.value(code[1].args[0])
		if err != nil {
			return "", err
		}
		w, x, dst, ok := decodeDotProduct(low | high<<32)
		if !ok {
			return "", fmt.Errorf("unknown instruction %012x", low|high<<32)
		}
		m.multiply("VDPBF16PS", w, x, dst)
	default:
		err = fmt.Errorf("unknown instruction")
	}
	return "", err
}

// decodeDotProduct decodes EVEX.512.F3.0F38.W0 52 /r with three registers. The first
// byte is in the lowest bits.
func decodeDotProduct(code uint64) (w, x, dst int, ok bool) {
	b := func(i int) int { return int(code >> (8 * i) & 0xff) }
	not := func(byte, bit int) int { return (b(byte) >> bit & 1) ^ 1 }
	ok = b(0) == 0x62 && b(1)&0x0f == 2 && b(2)&0x87 == 0x06 && b(3)&0xf7 == 0x40 && b(4) == 0x52 && b(5)>>6 == 3
	dst = b(5)>>3&7 | not(1, 7)<<3 | not(1, 4)<<4
	w = b(5)&7 | not(1, 5)<<3 | not(1, 6)<<4
	x = (b(2)>>3&15 ^ 15) | not(3, 3)<<4
	return w, x, dst, ok
}

// multiply computes dst += x·w in each of 16 lanes.
func (m *machine) multiply(op string, w, x, dst int) {
	for i := 0; i < 64; i += 4 {
		word := func(r int) uint32 { return *(*uint32)(unsafe.Pointer(&m.vectors[r][i])) }
		a, b, sum := word(x), word(w), word(dst)
		switch op {
		case "VFMADD231PS":
			sum = fma(a, b, sum)
		case "VDPBF16PS":
			sum = fma(a&0xffff0000, b&0xffff0000, sum)
			sum = fma(a<<16, b<<16, sum)
		case "VPDPBUSD": // x is unsigned, w signed
			for j := 0; j < 32; j += 8 {
				sum += uint32(int32(uint8(a>>j)) * int32(int8(b>>j)))
			}
		}
		*(*uint32)(unsafe.Pointer(&m.vectors[dst][i])) = sum
	}
}

// fma returns a·b + c with one rounding, of float32 bits. float64 holds the product
// exactly. The sum would be rounded twice, to float64 and to float32; rounding the first
// time to odd makes that correct.
func fma(a, b, c uint32) uint32 {
	x, y, z := float64(math.Float32frombits(a)), float64(math.Float32frombits(b)), float64(math.Float32frombits(c))
	p := x * y
	sum := p + z
	if big := math.Abs(p) > math.Abs(z); !math.IsInf(sum, 0) && !math.IsNaN(sum) {
		var rest float64 // the exact error of the sum
		if big {
			rest = z - (sum - p)
		} else {
			rest = p - (sum - z)
		}
		if rest != 0 && math.Float64bits(sum)&1 == 0 {
			if (rest > 0) == (sum > 0) {
				sum = math.Float64frombits(math.Float64bits(sum) + 1)
			} else {
				sum = math.Float64frombits(math.Float64bits(sum) - 1)
			}
		}
	}
	return math.Float32bits(float32(sum))
}

var memoryOperand = regexp.MustCompile(`^(-?\d*)\((\w+)\)(?:\((\w+)\*([1248])\))?$`)

// vectorRegister returns the number of a register called Z0 to Z31.
func vectorRegister(name string) (int, bool) {
	if name == "" || name[0] != 'Z' {
		return 0, false
	}
	n, err := strconv.Atoi(name[1:])
	return n, err == nil && n < 32
}

// value returns a constant, an argument or a general register.
func (m *machine) value(arg string) (uint64, error) {
	if constant, ok := strings.CutPrefix(arg, "$"); ok {
		v, err := strconv.ParseUint(constant, 0, 64)
		if err != nil {
			return 0, err
		}
		return v, nil
	}
	if at, ok := strings.CutSuffix(arg, "(FP)"); ok {
		_, offset, _ := strings.Cut(at, "+")
		i, err := strconv.Atoi(offset)
		if err != nil || i%8 != 0 || i/8 >= len(m.frame) {
			return 0, fmt.Errorf("no argument at that offset")
		}
		return m.frame[i/8], nil
	}
	v, ok := m.general[arg]
	if !ok {
		return 0, fmt.Errorf("register %s was not set", arg)
	}
	return v, nil
}

// address returns the address of a memory operand.
func (m *machine) address(arg string) (uint64, error) {
	part := memoryOperand.FindStringSubmatch(arg)
	if part == nil {
		return 0, fmt.Errorf("%q is not a memory operand", arg)
	}
	offset, _ := strconv.Atoi("0" + strings.TrimPrefix(part[1], "-"))
	if strings.HasPrefix(part[1], "-") {
		offset = -offset
	}
	base, err := m.value(part[2])
	if err != nil || part[3] == "" {
		return base + uint64(offset), err
	}
	index, err := m.value(part[3])
	scale, _ := strconv.Atoi(part[4])
	return base + uint64(offset) + index*uint64(scale), err
}

// bytes returns the memory of an operand, or an error if the kernel may not use it.
func (m *machine) bytes(arg string, size uintptr, write bool) ([]byte, error) {
	at, err := m.address(arg)
	if err != nil {
		return nil, err
	}
	for _, s := range m.memory {
		from := address(unsafe.SliceData(s.bytes))
		if at >= from && at+uint64(size) <= from+uint64(len(s.bytes)) && (s.writable || !write) {
			return s.bytes[at-from:][:size], nil
		}
	}
	return nil, fmt.Errorf("%d bytes at %#x are outside the operands", size, at)
}

// load reads a register or memory.
func (m *machine) load(dst []byte, arg string) error {
	if r, ok := vectorRegister(arg); ok {
		copy(dst, m.vectors[r][:])
		return nil
	}
	b, err := m.bytes(arg, uintptr(len(dst)), false)
	copy(dst, b)
	return err
}

func address[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func TestInterpretedFMA(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 82))
	for range 1_000_000 {
		x, y := math.Float32frombits(r.Uint32()), math.Float32frombits(r.Uint32())
		z := float32(x*y) * float32(r.NormFloat64())
		if r.IntN(2) == 0 {
			z = math.Float32frombits(r.Uint32())
		}
		// math.FMA is exact enough unless its own rounding decides the second one.
		exact := math.FMA(float64(x), float64(y), float64(z))
		if math.Float64bits(exact)&(1<<29-1) == 1<<28 || exact != 0 && math.Abs(exact) < 0x1p-126 {
			continue // halfway between two float32s, as far as float64 can tell, or subnormal
		}
		got := math.Float32frombits(fma(math.Float32bits(x), math.Float32bits(y), math.Float32bits(z)))
		if want := float32(exact); got != want && (got == got || want == want) {
			t.Fatalf("%v·%v + %v is %v, want %v", x, y, z, got, want)
		}
	}
}

// Every kernel of avx512_gemm_amd64.s computes the same as its portable reference, and
// accesses only its operands.
func TestAVX512KernelsInterpreted(t *testing.T) {
	functions := parseAssembly(t, "avx512_gemm_amd64.s")
	r := rand.New(rand.NewPCG(83, 84))
	tested := 0
	for rows := 1; rows <= 12; rows++ {
		for _, k := range []int{1, 2, 3, 4, 5, 8, 11} {
			stride, dstStride := k+rows%4, PanelWidth+rows%3*8
			panel := randomRows(r, k)
			init := View{Data: random(r, rows*PanelWidth), Rows: rows, Cols: PanelWidth, Stride: PanelWidth}
			if k%2 == 0 {
				init.Stride = 0 // all rows begin with the first one
			}
			dst := View{Data: make([]float32, (rows-1)*dstStride+PanelWidth), Rows: rows, Cols: PanelWidth, Stride: dstStride}
			want := View{Data: make([]float32, len(dst.Data)), Rows: rows, Cols: PanelWidth, Stride: dstStride}

			t.Run(fmt.Sprintf("float32/rows=%d/k=%d", rows, k), func(t *testing.T) {
				a := random(r, (rows-1)*stride+k)
				m := machine{
					frame: []uint64{address(&dst.Data[0]), uint64(dst.Stride * 4), address(&init.Data[0]), uint64(init.Stride * 4),
						address(&a[0]), uint64(stride * 4), address(&panel[0][0]), panelRowBytes, uint64(k)},
					memory: []memoryRange{memory(dst.Data, true), memory(init.Data, false), memory(a, false), memory(panel, false)},
				}
				if err := m.run(functions[fmt.Sprintf("sgemm%dx32AVX512", rows)]); err != nil {
					t.Fatal(err)
				}
				sgemmPortable(want, init, a, stride, panel)
				sameWithin(t, dst, want, 1e-6*float64(k+2)*10)

				got := slices.Clone(dst.Data)
				clear(dst.Data)
				m.runPrefetching(t, functions[fmt.Sprintf("sgemm%dx32AVX512Prefetch", rows)], k)
				if !slices.Equal(dst.Data, got) {
					t.Error("the kernel that prefetches gives other sums")
				}
			})

			words := make([]WordRow, k)
			t.Run(fmt.Sprintf("bfloat16/rows=%d/k=%d", rows, k), func(t *testing.T) {
				packWeightsPortable(words, randomRows(r, 2*k))
				a := make([]uint32, (rows-1)*stride+k)
				single := make([]uint32, 2*len(a))
				x := random(r, 2*len(a))
				packActivationsPortable(a, x)
				roundActivationsPortable(single, x)
				m := machine{
					frame: []uint64{address(&dst.Data[0]), uint64(dst.Stride * 4), address(&init.Data[0]), uint64(init.Stride * 4),
						address(&a[0]), uint64(stride * 4), address(&words[0][0]), uint64(k)},
					memory: []memoryRange{memory(dst.Data, true), memory(init.Data, false), memory(a, false), memory(words, false)},
				}
				if err := m.run(functions[fmt.Sprintf("bf16gemm%dx32AVX512", rows)]); err != nil {
					t.Fatal(err)
				}
				bf16gemmPortable(want, init, single, 2*stride, words)
				sameWithin(t, dst, want, 1e-6*float64(k+2)*20)

				got := slices.Clone(dst.Data)
				clear(dst.Data)
				m.runPrefetching(t, functions[fmt.Sprintf("bf16gemm%dx32AVX512Prefetch", rows)], k)
				if !slices.Equal(dst.Data, got) {
					t.Error("the kernel that prefetches gives other sums")
				}

				clear(dst.Data)
				m.frame[4], m.frame[5] = address(&single[0]), uint64(2*stride*4)
				m.memory = append(m.memory, memory(single, false))
				if err := m.run(functions[fmt.Sprintf("bf16gemm%dx32WideAVX512", rows)]); err != nil {
					t.Fatal(err)
				}
				sameWithin(t, dst, want, 1e-6*float64(k+2)*20)
				got = slices.Clone(dst.Data)
				clear(dst.Data)
				m.runPrefetching(t, functions[fmt.Sprintf("bf16gemm%dx32WideAVX512Prefetch", rows)], k)
				if !slices.Equal(dst.Data, got) {
					t.Error("the wide kernel that prefetches gives other sums")
				}
			})

			t.Run(fmt.Sprintf("int8/rows=%d/k=%d", rows, k), func(t *testing.T) {
				for i := range words {
					for j := range words[i] {
						words[i][j] = r.Uint32()
					}
				}
				a := make([]uint32, (rows-1)*stride+k)
				for i := range a {
					a[i] = r.Uint32()
				}
				got, want := make([][PanelWidth]int32, rows), make([][PanelWidth]int32, rows)
				for i := range got {
					for j := range got[i] {
						got[i][j] = r.Int32()
					}
				}
				copy(want, got)
				first := slices.Clone(got)
				m := machine{
					frame: []uint64{address(&got[0][0]), PanelWidth * 4, address(&got[0][0]), PanelWidth * 4,
						address(&a[0]), uint64(stride * 4), address(&words[0][0]), uint64(k)},
					memory: []memoryRange{memory(got, true), memory(a, false), memory(words, false)},
				}
				if err := m.run(functions[fmt.Sprintf("igemm%dx32U8S8AVX512", rows)]); err != nil {
					t.Fatal(err)
				}
				igemmU8S8Portable(want, a, stride, words)
				for i := range want {
					if got[i] != want[i] {
						t.Fatalf("row %d is %v, want %v", i, got[i], want[i])
					}
				}
				copy(got, first)
				m.runPrefetching(t, functions[fmt.Sprintf("igemm%dx32U8S8AVX512Prefetch", rows)], k)
				if !slices.Equal(got, want) {
					t.Error("the kernel that prefetches gives other sums")
				}
			})
		}
		for _, name := range []string{"sgemm%dx32AVX512", "sgemm%dx32AVX512Prefetch", "bf16gemm%dx32AVX512", "bf16gemm%dx32AVX512Prefetch", "bf16gemm%dx32WideAVX512", "bf16gemm%dx32WideAVX512Prefetch", "igemm%dx32U8S8AVX512", "igemm%dx32U8S8AVX512Prefetch"} {
			if functions[fmt.Sprintf(name, rows)] != nil {
				tested++
			}
		}
	}
	if tested != len(functions)-1 { // all except the loop that measures the peak
		t.Errorf("%d of %d kernels are tested", tested, len(functions)-1)
	}
}

// runPrefetching runs the prefetching variant of the kernel that ran last, with k panel
// rows, and checks that it fetches a whole block.
func (m *machine) runPrefetching(t *testing.T, f *function, k int) {
	t.Helper()
	const step = 4 * panelRowBytes
	m.frame = append(m.frame, fetchedAt, step)
	if err := m.run(f); err != nil {
		t.Fatal(err)
	}
	for at := uint64(fetchedAt); at < fetchedAt+uint64(k/4*step); at += 64 {
		if !m.fetched[at] {
			t.Errorf("byte %d of the next block was not fetched", at-fetchedAt)
		}
	}
}

// fetchedAt is an address that no operand has.
const fetchedAt = 1 << 20

func sameWithin(t *testing.T, got, want View, bound float64) {
	t.Helper()
	for i := range want.Rows {
		for j, w := range want.Row(i) {
			if e := math.Abs(float64(got.Row(i)[j]) - float64(w)); !(e <= bound) {
				t.Fatalf("element (%d,%d) is %v, want %v", i, j, got.Row(i)[j], w)
			}
		}
	}
	for i, v := range got.Data {
		if i%got.Stride >= got.Cols && v != 0 {
			t.Fatalf("wrote beside the result at %d", i)
		}
	}
}

// Calls of kernels cover any number of rows, none with more rows than a kernel has.
func TestRowsOfShapes(t *testing.T) {
	for _, s := range []shape{shapeAVX2, shapeAVX512} {
		for left := 1; left <= 100; left++ {
			if n := s.rows(left); n < 1 || n > min(left, s.maxRows) {
				t.Errorf("%d of %d rows with kernels of %d", n, left, s.maxRows)
			}
		}
	}
}

// The register allocator of avo silently uses registers that AVX2 does not have when it
// runs out of others.
func TestAVX2KernelsUseItsRegisters(t *testing.T) {
	above := regexp.MustCompile(`\b([XY](1[6-9]|2\d|3[01])|[ZK]\d+)\b`)
	for _, file := range []string{"avx2_sgemm_amd64.s", "avx2_nn_amd64.s", "avx2_lowprecision_amd64.s", "avx2_patch_amd64.s"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if r := above.Find(text); r != nil {
			t.Errorf("%s uses %s", file, r)
		}
	}
}
