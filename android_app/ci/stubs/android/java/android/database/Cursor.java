package android.database;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public interface Cursor {

}
