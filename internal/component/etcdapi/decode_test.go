package etcdapi

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

func number(b []byte, id protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, id, protowire.VarintType), v)
}

func text(b []byte, id protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, id, protowire.BytesType), v)
}

func status() []byte {
	header := number(number(number(nil, 1, 7), 2, 0x2e1259d415f2a040), 3, 99)
	b := text(nil, 1, string(header))
	b = text(b, 2, "3.6.0")
	for i, v := range map[protowire.Number]uint64{3: 4096, 4: 0x2e1259d415f2a040, 5: 11, 6: 2, 7: 10, 9: 2048, 10: 1, 12: 8 << 30} {
		b = number(b, i, v)
	}
	b = text(b, 8, "memberID:1 alarm:NOSPACE ")
	b = protowire.AppendFixed64(protowire.AppendTag(b, 99, protowire.Fixed64Type), 1) // of a later etcd
	return text(b, 13, "unknown")
}

func TestDecodeStatus(t *testing.T) {
	got, err := decodeStatus(status())
	want := Status{Member: 0x2e1259d415f2a040, Version: "3.6.0", DBSize: 4096, DBInUse: 2048, DBQuota: 8 << 30, Leader: 0x2e1259d415f2a040, Term: 2, RaftIndex: 11, Applied: 10,
		Errors: []string{"memberID:1 alarm:NOSPACE "}, IsLearner: true}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestDecodeMembers(t *testing.T) {
	one := text(text(number(nil, 1, 5), 2, "cp1"), 3, "https://10.0.0.1:2380")
	two := number(number(nil, 1, 6), 5, 1)
	got, err := decodeMembers(text(text(text(nil, 1, "\x08\x01"), 2, string(one)), 2, string(two)))
	want := []Member{{ID: 5, Name: "cp1", PeerURLs: []string{"https://10.0.0.1:2380"}}, {ID: 6, IsLearner: true}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestDecodeCutOff(t *testing.T) {
	whole := status()
	if _, err := decodeStatus(whole[:len(whole)-3]); err == nil {
		t.Error("an answer that is cut off decodes")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(status())
	f.Add(text(nil, 2, "\x08\x05"))
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = decodeStatus(b)
		if m, err := decodeMembers(b); err == nil && len(m) > len(b) {
			t.Errorf("%d members out of %d bytes", len(m), len(b))
		}
	})
}
