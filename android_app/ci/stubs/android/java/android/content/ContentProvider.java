package android.content;

import android.database.Cursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import java.io.FileNotFoundException;

/** Signatures alone, to compile against; held against the published API by ci/api_check.py. */
public abstract class ContentProvider {
    public final Context getContext() {
        throw new RuntimeException("stub");
    }

    public abstract boolean onCreate();

    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        throw new RuntimeException("stub");
    }

    public abstract String getType(Uri uri);

    public abstract Cursor query(
            Uri uri, String[] projection, String selection, String[] selectionArgs, String sortOrder);

    public abstract Uri insert(Uri uri, ContentValues values);

    public abstract int update(Uri uri, ContentValues values, String selection, String[] selectionArgs);

    public abstract int delete(Uri uri, String selection, String[] selectionArgs);
}
