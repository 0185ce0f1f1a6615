package etcdapi

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a message: number for varints, bytes for everything with a length.
type field struct {
	id     protowire.Number
	number uint64
	bytes  []byte
}

// fields calls fn with each field of a message. Fixed-width fields, of which these messages have none, are passed over.
func fields(b []byte, fn func(field) error) error {
	for len(b) > 0 {
		id, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("decode etcd's answer: %w", protowire.ParseError(n))
		}
		b = b[n:]
		f := field{id: id}
		switch kind {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(id, kind, b)
			f.id = 0
		}
		if n < 0 {
			return fmt.Errorf("decode etcd's answer: %w", protowire.ParseError(n))
		}
		b = b[n:]
		if f.id == 0 {
			continue
		}
		if err := fn(f); err != nil {
			return err
		}
	}
	return nil
}

// decodeStatus reads a StatusResponse.
func decodeStatus(b []byte) (Status, error) {
	var s Status
	err := fields(b, func(f field) error {
		switch f.id {
		case 1: // ResponseHeader
			return fields(f.bytes, func(h field) error {
				if h.id == 2 {
					s.Member = h.number
				}
				return nil
			})
		case 2:
			s.Version = string(f.bytes)
		case 3:
			s.DBSize = int64(f.number)
		case 4:
			s.Leader = f.number
		case 5:
			s.RaftIndex = f.number
		case 6:
			s.Term = f.number
		case 7:
			s.Applied = f.number
		case 8:
			s.Errors = append(s.Errors, string(f.bytes))
		case 9:
			s.DBInUse = int64(f.number)
		case 10:
			s.IsLearner = f.number != 0
		case 12:
			s.DBQuota = int64(f.number)
		}
		return nil
	})
	return s, err
}

// decodeMembers reads a MemberListResponse.
func decodeMembers(b []byte) ([]Member, error) {
	var out []Member
	err := fields(b, func(f field) error {
		if f.id != 2 {
			return nil
		}
		var m Member
		err := fields(f.bytes, func(x field) error {
			switch x.id {
			case 1:
				m.ID = x.number
			case 2:
				m.Name = string(x.bytes)
			case 3:
				m.PeerURLs = append(m.PeerURLs, string(x.bytes))
			case 5:
				m.IsLearner = x.number != 0
			}
			return nil
		})
		out = append(out, m)
		return err
	})
	return out, err
}
