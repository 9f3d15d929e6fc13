package android.net;

import java.util.Arrays;
import java.util.List;

/** Pretended. */
public class Uri {
    private final List<String> path;

    public Uri(String... path) {
        this.path = Arrays.asList(path);
    }

    public List<String> getPathSegments() {
        return path;
    }
}
