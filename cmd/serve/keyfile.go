package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// errNoValue is the error of a setting about security that is given without a value,
// as by a variable that was not expanded. It must not count as absent, which would turn
// the protection off.
var errNoValue = errors.New("is given without a value; set it, or remove the setting")

// needsValue are the names of settings with which no value is an error.
var needsValue = []string{"api-key", "api-key-file", "admin-key-file", "tls-cert", "tls-key"}

// secret is a key on the command line. Its zero value means that none is given.
type secret string

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (s *secret) UnmarshalText(text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return errNoValue
	}
	*s = secret(text)
	return nil
}

// securityFile is the path of a file with a certificate or a private key.
type securityFile string

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (f *securityFile) UnmarshalText(text []byte) error {
	return (*secret)(f).UnmarshalText(text)
}

// keyFile is the path of a file with one key a line. Blank lines and lines that begin with
// # are skipped.
type keyFile string

// UnmarshalText implements encoding.TextUnmarshaler for kong.
func (f *keyFile) UnmarshalText(text []byte) error {
	return (*secret)(f).UnmarshalText(text)
}

// keys reads the file. No path means no keys; a file without keys is an error.
func (f keyFile) keys() ([]string, error) {
	if f == "" {
		return nil, nil
	}
	text, err := readSettingsFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("serve: read keys: %w", err)
	}
	var keys []string
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) { // editors of Windows write a mark
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			keys = append(keys, line)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("serve: read keys: %s has no key", f)
	}
	return keys, nil
}
