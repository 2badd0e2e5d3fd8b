//go:build !noasm

package kernel

import (
	"unsafe"

	"kenserve/internal/sparse"
)

const (
	// streamBlock is the number of rows, 8 KiB, that are patched in the first-level
	// cache before they are written to memory.
	streamBlock = 64
	// streamDistance is the number of rows between those that are patched and those
	// that are fetched.
	streamDistance = 128
)

// StreamScratch returns the number of scratch rows that StreamRows needs for a panel
// of n rows.
func StreamScratch(n int) int { return max(streamBlock, maskScratch(n)) }

// maskScratch returns the number of scratch rows for the masks and signs that are made
// of the gaps of n rows: at most 16 bits of each for every half row, masks in whole
// words, and 8 bytes that are read and written after the last sign.
func maskScratch(n int) int { return n/16 + 2 }

// StreamRows is PatchRows for a whole panel, into memory that is not used soon: it
// bypasses the caches, so that the memory is not read before it is written. scratch
// has StreamScratch rows.
func StreamRows(dst, base []PanelRow, tiles *[2]TileCursor, scratch []PanelRow) {
	if current < AVX2 || len(dst) == 0 {
		patchRowsPortable(dst, base, tiles)
		return
	}
	if current < AVX512 || !streamBothTiles(dst, base, tiles, scratch) {
		streamBlocks(dst, base, tiles, scratch)
	}
	storeFence()
}

// streamBlocks streams block after block. With AVX2 and masks it patches on the way
// from base to dst. Otherwise it copies a block to scratch, patches it there, and
// writes it to dst; each copy fetches part of a later block.
func streamBlocks(dst, base []PanelRow, tiles *[2]TileCursor, scratch []PanelRow) {
	masked := current < AVX512 && (tiles[0].masks != nil || tiles[1].masks != nil)
	for len(dst) > 0 {
		n := min(streamBlock, len(dst))
		block := base[:n]
		base = base[n:]
		if masked {
			for i := range tiles {
				if t := &tiles[i]; t.masks != nil {
					t.patchMasks(dst[:n], block, true)
				} else {
					copyTile(dst[:n], block, i*tileRows)
				}
			}
		} else {
			// The two copies fetch a half each; near the end of the panel they
			// fetch scratch memory, which does no harm.
			first, second := &scratch[0], &scratch[0]
			if len(base) >= streamDistance+n {
				first, second = &base[streamDistance], &base[streamDistance+n/2]
			}
			copyFetchAVX2(&scratch[0][0], &block[0][0], &first[0], n)
			for i := range tiles {
				tiles[i].patch(scratch[:n], block)
			}
			streamFetchAVX2(&dst[0][0], &scratch[0][0], &second[0], n)
		}
		dst = dst[n:]
	}
}

// streamBothTiles streams a panel whose two tiles both have kept values, by masks, with
// the AVX-512 kernels that patch whole rows. Gaps become masks first. It returns false
// and does nothing if a tile has no values, or if the kernels would read beyond the
// end of the values.
func streamBothTiles(dst, base []PanelRow, tiles *[2]TileCursor, scratch []PanelRow) bool {
	left, right := &tiles[0], &tiles[1]
	if left.tensor == nil || right.tensor == nil {
		return false
	}
	// The values of the right tile follow those of the left one.
	tensor, end := left.tensor, right.next+right.count
	if !tensor.SignsInGaps() && !streamReadable(tensor, end) {
		return false
	}
	n := len(dst)
	leftMasks, rightMasks := left.masks, right.masks
	values, _ := left.values()
	fromLeft, fromRight := left.next, right.next
	if tensor.Gaps != nil {
		words := (n + 3) / 4
		free := unsafe.Slice((*uint64)(unsafe.Pointer(&scratch[0])), len(scratch)*int(unsafe.Sizeof(PanelRow{}))/8)
		masks := free[:2*words]
		clear(masks)
		leftMasks, rightMasks = unsafe.Slice((*uint16)(unsafe.Pointer(&masks[0])), n), unsafe.Slice((*uint16)(unsafe.Pointer(&masks[words])), n)
		next := uintptr(unsafe.Pointer(&base[0])) // prefetched meanwhile
		if tensor.SignsInGaps() {
			next = signGapsToMasksAVX512(&leftMasks[0], &left.gaps[0], len(left.gaps), next)
			signGapsToMasksAVX512(&rightMasks[0], &right.gaps[0], len(right.gaps), next)
			signs := unsafe.Slice((*byte)(unsafe.Pointer(&free[2*words])), 8*(len(free)-2*words))
			rightByte := (left.count + 7) / 8
			gapSignsAVX512(&signs[0], &left.gaps[0], len(left.gaps))
			gapSignsAVX512(&signs[rightByte], &right.gaps[0], len(right.gaps))
			values, fromLeft, fromRight = &signs[0], 0, 8*rightByte
		} else {
			next = gapsToMasksAVX512(&leftMasks[0], &left.gaps[0], len(left.gaps), next)
			gapsToMasksAVX512(&rightMasks[0], &right.gaps[0], len(right.gaps), next)
		}
	}
	streamRowsAVX512(tensor.Coding, &dst[0][0], &base[0][0], &leftMasks[0], &rightMasks[0], n, values, fromLeft, fromRight, &left.scales, &right.scales)
	return true
}

// streamReadable reports whether the kernels that stream whole rows may read the
// values up to end. From the first value of half a row they read a fixed number of
// values, however few of them are kept; with Float32 they read only the kept ones.
func streamReadable(t *sparse.Tensor, end int) bool {
	switch t.Coding {
	case sparse.Float32:
		return true
	case sparse.BFloat16:
		return len(t.BFloat16s) >= end+16
	case sparse.Int8:
		return len(t.Int8s) >= end+16
	case sparse.Int4:
		return 2*len(t.Int4s) >= end+1+32
	}
	return 8*len(t.Signs) >= end+7+64
}
