"""HMAC-DRBG against NIST's own vectors, and the life of its state."""

from binascii import unhexlify

from envelope.drbg import Drbg
from envelope.errors import EntropyError


def _refused(call, *arguments):
    try:
        call(*arguments)
    except EntropyError:
        return True
    return False


def test_nist_vectors_without_and_with_reseed():
    # NIST CAVP drbgvectors_no_reseed and drbgvectors_pr_false, HMAC_DRBG.rsp, first [SHA-256] group, COUNT 0:
    # the second of two requests of 128 bytes is compared.
    plain = Drbg(
        unhexlify("ca851911349384bffe89de1cbdc46e6831e44d34a4fb935ee285dd14b71a7488659ba96c601dc69fc902940805ec0ca8")
    )
    plain.generate(128)
    assert plain.generate(128) == unhexlify(
        "e528e9abf2dece54d47c7e75e5fe302149f817ea9fb4bee6f4199697d04d5b89d54fbb978a15b5c443c9ec21036d2460"
        "b6f73ebad0dc2aba6e624abf07745bc107694bb7547bb0995f70de25d6b29e2d3011bb19d27676c07162c8b5ccde0668"
        "961df86803482cb37ed6d5c0bb8d50cf1f50d476aa0458bdaba806f48be9dcb8"
    )
    reseeded = Drbg(
        unhexlify("06032cd5eed33f39265f49ecb142c511da9aff2af71203bffaf34a9ca5bd9c0d0e66f71edc43e42a45ad3c6fc6cdc4df")
    )
    reseeded.reseed(unhexlify("01920a4e669ed3a85ae8a33b35a74ad7fb2a6bb4cf395ce00334a9c9a5a5d552"))
    reseeded.generate(128)
    assert reseeded.generate(128) == unhexlify(
        "76fc79fe9b50beccc991a11b5635783a83536add03c157fb30645e611c2898bb2b1bc215000209208cd506cb28da2a51"
        "bdb03826aaf2bd2335d576d519160842e7158ad0949d1a9ec3e66ea1b1a064b005de914eac2e9d4f2d72a8616a802254"
        "22918250ff66a41bd2f864a6a38cc5b6499dc43f7f2bd09e1e0f8f5885935124"
    )


def test_rfc6979_nonce_vectors():
    # RFC 6979 appendix A.2.5, P-256 with SHA-256, messages "sample" and "test": key and hash seed the generator.
    private = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
    for digest, nonce in (
        (
            "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf",
            "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60",
        ),
        (
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "d16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0",
        ),
    ):
        assert Drbg(unhexlify(private + digest)).generate(32) == unhexlify(nonce)


def test_output_depends_on_seed_and_personalisation():
    outputs = [
        Drbg(b"e" * 32).generate(32),
        Drbg(b"f" * 32).generate(32),
        Drbg(b"e" * 32, b"node").generate(32),
        Drbg(b"e" * 32, b"noda").generate(32),
    ]
    assert len(set(outputs)) == 4
    assert Drbg(b"e" * 32, b"node").generate(32) == outputs[2]


def test_sizes_and_successive_requests():
    generator = Drbg(b"e" * 32)
    assert generator.generate(0) == b""
    assert [len(generator.generate(n)) for n in (1, 31, 32, 33, 4096)] == [1, 31, 32, 33, 4096]
    assert generator.generate(32) != generator.generate(32)
    assert _refused(generator.generate, 4097)
    assert _refused(generator.generate, -1)


def test_too_little_entropy_is_refused():
    assert _refused(Drbg, bytes(31))
    assert _refused(Drbg(bytes(32)).reseed, bytes(31))


def test_reseeding_changes_the_future():
    first, second = Drbg(b"e" * 32), Drbg(b"e" * 32)
    second.reseed(b"fresh noise, at least 32 bytes...")
    assert first.generate(32) != second.generate(32)


def test_a_restored_generator_continues_the_same_way_and_never_repeats_the_old_one():
    generator = Drbg(b"e" * 32)
    state = generator.state()
    assert len(state) == 64
    after = generator.generate(64)
    restored = Drbg.restore(state)
    once = restored.generate(64)
    assert once != after
    assert once == Drbg.restore(state).generate(64)
    assert state not in (once, after)
    assert generator.state() != state


def test_a_damaged_state_is_refused():
    for size in (0, 63, 65):
        assert _refused(Drbg.restore, bytes(size))
