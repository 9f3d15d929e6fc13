package android.system;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public final class ErrnoException extends Exception {
    private static final long serialVersionUID = 1L;
}
