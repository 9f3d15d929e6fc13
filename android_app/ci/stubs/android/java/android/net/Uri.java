package android.net;

import java.util.List;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public abstract class Uri {
    public abstract List<String> getPathSegments();
}
